import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";

/** Packages that run in a browser. A package that is added to the core must be looked at before it is added here. */
const anywhere = ["@bufbuild/protobuf", "onnxruntime-common", "pure-rand", "zod"];

/** What a source file imports at run time: static, re-exported and dynamic. */
function importsOf(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier && !isTypeOnly(node))
      found.push((node.moduleSpecifier as ts.StringLiteral).text);
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      found.push((node.arguments[0] as ts.StringLiteral).text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isTypeOnly(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  return node.importClause?.isTypeOnly === true;
}

/** Every package and Node module that `entry` leads to, with the chain of files that leads there. */
function packagesFrom(entry: string): Map<string, string> {
  const packages = new Map<string, string>();
  const seen = new Set<string>();
  const follow = (file: string, chain: readonly string[]): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const here = [...chain, relative(import.meta.dirname, file)];
    for (const name of importsOf(file)) {
      if (name.startsWith(".")) follow(join(dirname(file), name.replace(/\.js$/, ".ts")), here);
      else packages.set(name, here.join(" -> "));
    }
  };
  follow(entry, []);
  return packages;
}

const isAnywhere = (name: string): boolean => anywhere.some((known) => name === known || name.startsWith(`${known}/`));

test("the core leads to nothing that needs Node", () => {
  const foreign = [...packagesFrom(join(import.meta.dirname, "core.ts"))].filter(([name]) => !isAnywhere(name));
  expect(foreign.map(([name, chain]) => `${name}: ${chain}`)).toEqual([]);
});

test("the walk finds what the library for Node needs", () => {
  const packages = [...packagesFrom(join(import.meta.dirname, "index.ts")).keys()];
  expect(packages).toEqual(expect.arrayContaining(["node:fs", "sharp", "csv-parse", "onnxruntime-node", "zod"]));
  expect(packages.filter((name) => builtinModules.includes(name))).toEqual([]);
});
