import { existsSync, statSync } from "node:fs";
import Database from "libsql";
import { IsonormError } from "../../errors.js";
import { corrupt, isBusy, translate, translated } from "./driverErrors.js";
import { applicationId, migrations } from "./migrations.js";
import { SqliteStorage } from "./sqlite.js";
import type { StudyStorage } from "./storage.js";

export interface StudyFileOptions {
  /** Make the file if it is missing. Default true; false throws ISO_STUDY_MISSING. */
  readonly create?: boolean;
  /**
   * Run the search: nobody else may, until this storage is closed or its process ends, however it ends. Default false. Throws ISO_STUDY_LOCKED where another process does. The
   * ownership is a lock of the operating system on `PATH.owner`, so a process that was killed leaves nothing locked.
   */
  readonly own?: boolean;
  /** How long to wait for another process's write, milliseconds. Default 5000. */
  readonly busyTimeout?: number;
}

/**
 * Opens a study file, a SQLite database in WAL mode: readers never block, writers of all processes on this machine take turns. Each call of the contract is one transaction, flushed to
 * the disk. Not for network file systems, whose locks SQLite cannot rely on.
 *
 * Throws ISO_STUDY_MISSING, ISO_STUDY_LOCKED; ISO_STUDY_NEWER for a file of a later version of isonorm; ISO_STUDY_CORRUPT for a damaged file or another program's, which is
 * left as it is; ISO_OUT_NOT_WRITABLE.
 *
 * @example
 * const storage = openStudyFile("runs/flowers/study.db", { own: true });
 * await storage.createStudy(study);
 */
export function openStudyFile(path: string, options: StudyFileOptions = {}): StudyStorage {
  const { create = true, own = false, busyTimeout = 5000 } = options;
  if (!create && (!existsSync(path) || statSync(path).size === 0))
    throw new IsonormError(
      "ISO_STUDY_MISSING",
      `there is no study in ${path}`,
      "Give the output folder of a search, or start one with isonorm search DATA",
    );
  const owner = own ? takeOwnership(path) : undefined;
  try {
    const database = translated(path, () => new Database(path));
    try {
      translated(path, () => prepare(database, path, Math.ceil(busyTimeout)));
    } catch (error) {
      database.close();
      throw error;
    }
    return new SqliteStorage(path, database, owner);
  } catch (error) {
    owner?.close();
    throw error;
  }
}

function takeOwnership(path: string): Database.Database {
  const owner = translated(path, () => new Database(`${path}.owner`));
  try {
    owner.exec("PRAGMA busy_timeout = 0");
    owner.exec("BEGIN EXCLUSIVE");
    return owner;
  } catch (error) {
    owner.close();
    if (!isBusy(error)) throw translate(path, error);
    throw new IsonormError(
      "ISO_STUDY_LOCKED",
      `another process is running the search in ${path}`,
      "Wait until it has ended, or stop it, or choose another output folder",
    );
  }
}

/** Looks before it writes: a file that is not ours or is damaged is not touched. */
function prepare(database: Database.Database, path: string, busyTimeout: number): void {
  database.exec(`PRAGMA busy_timeout = ${busyTimeout}`);
  const [{ tables }] = database.prepare("SELECT count(*) AS tables FROM sqlite_master").all() as [{ tables: number }];
  if (tables > 0) {
    if (pragma(database, "application_id") !== applicationId)
      throw corrupt(path, "it is a database of another program");
    requireKnownVersion(database, path);
    const problem = pragma(database, "quick_check");
    if (problem !== "ok") throw corrupt(path, String(problem));
  }
  database.pragma("journal_mode = WAL");
  database.exec("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
  if (tables > 0 && pragma(database, "user_version") === migrations.length) return;
  database
    .transaction(() => {
      requireKnownVersion(database, path);
      for (const migration of migrations.slice(pragma(database, "user_version") as number)) database.exec(migration);
      database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length}`);
    })
    .immediate();
}

function pragma(database: Database.Database, name: string): unknown {
  const [row] = database.pragma(name) as [Record<string, unknown>];
  return row[name];
}

function requireKnownVersion(database: Database.Database, path: string): void {
  const version = pragma(database, "user_version") as number;
  if (version <= migrations.length) return;
  throw new IsonormError(
    "ISO_STUDY_NEWER",
    `${path} has version ${version} of the study format, this isonorm knows up to ${migrations.length}`,
    "Open it with the version of isonorm that wrote it, or a later one; it was left as it is",
  );
}
