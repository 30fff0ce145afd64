import { paletteCss, sequenceSteps } from "./charts/palette.js";

const layoutCss = `
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
main,header,nav,footer{max-width:1136px;margin:0 auto;padding:0 24px}
header{padding-top:40px;display:flex;justify-content:space-between;align-items:flex-start;gap:16px}
.kind{color:var(--muted);font-size:13px;margin:0}
h1{font-size:28px;line-height:1.2;font-weight:650;letter-spacing:-.015em;margin:2px 0 6px;overflow-wrap:anywhere}
h2{font-size:19px;line-height:1.3;font-weight:650;letter-spacing:-.01em;margin:48px 0 4px;scroll-margin-top:16px}
.card>h3{margin:8px 0 6px}
h3{font-size:14px;font-weight:600;margin:0}
p{margin:0}
.about{color:var(--muted);overflow-wrap:anywhere}
h2+:not(.lead){margin-top:14px}
.lead{color:var(--muted);max-width:72ch;margin-bottom:16px}
nav{padding-top:16px;display:flex;flex-wrap:wrap;gap:4px 18px;font-size:14px}
a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:2px}
button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer}
#theme{font-size:13px;color:var(--muted);border:1px solid var(--line);border-radius:6px;padding:4px 10px;white-space:nowrap}
#theme:hover{color:var(--ink)}
.status{display:inline-block;border:1px solid currentColor;border-radius:4px;padding:0 6px;font-size:12px;line-height:18px;color:var(--muted);margin-left:8px}
.status.bad{color:var(--mistake)}
.notes{border-left:3px solid var(--mistake);margin:24px 0 0;padding:2px 0 2px 14px;list-style:none}
.notes li+li{margin-top:4px}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:1px;background:var(--line);border:1px solid var(--line);border-radius:8px;overflow:hidden;margin:24px 0 0}
.tiles.five{grid-template-columns:repeat(5,1fr)}
.tiles:not(.five)>:first-child:nth-last-child(odd){grid-column:span 2}
.tiles>div{background:var(--surface);padding:14px 18px 12px}
.tiles dt{color:var(--muted);font-size:13px}
.tiles dd{margin:0;font-size:21px;line-height:1.35;font-weight:600;letter-spacing:-.01em}
.tiles .main dd{color:var(--accent)}
.tiles small{display:block;font-size:13px;font-weight:400;letter-spacing:0;color:var(--muted)}
sup{font-size:.68em;line-height:0;vertical-align:.5em}
.grid{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:16px}
.grid>.broad,.grid>:only-child{grid-column:1/-1}
figure{margin:0;background:var(--surface);border:1px solid var(--line);border-radius:8px;padding:14px 16px 10px;min-width:0}
figure .note{color:var(--muted);font-size:13px}
figcaption{margin-bottom:6px}
svg{display:block}
svg text{font-family:inherit}
.chart svg{width:100%;max-width:100%;height:auto}
.chart.natural svg{width:auto;margin:0 auto}
.narrow{display:none}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 16px;margin:2px 0 0;padding:0;font-size:13px;color:var(--muted)}
.legend svg{display:inline-block;width:14px;height:10px;margin-right:6px}
details{font-size:13px;margin-top:6px}
summary{color:var(--muted);cursor:pointer;width:max-content;max-width:100%}
details[open] summary{margin-bottom:6px}
.scroll{overflow-x:auto;max-width:100%}
.scroll .chart svg{max-width:none}
.scroll.tall{max-height:560px;overflow-y:auto}
table{border-collapse:collapse;width:100%;font-size:14px;line-height:1.4}
figure table,details table{font-size:13px}
details table{width:auto}
th,td{text-align:left;padding:5px 14px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
th:last-child,td:last-child{padding-right:4px}
thead th{font-size:13px;font-weight:500;color:var(--muted);white-space:nowrap;vertical-align:bottom}
tbody th{font-weight:500}
.tall thead th{position:sticky;top:0;background:var(--surface);box-shadow:0 1px var(--line)}
.number{text-align:right;white-space:nowrap}
.path{overflow-wrap:anywhere;min-width:11em}
.number+:not(.number){padding-left:14px}
.card.figures{align-self:start}
.card .note{color:var(--muted);font-size:13px;margin-top:8px}
.card{background:var(--surface);border:1px solid var(--line);border-radius:8px;padding:6px 16px 10px}
.card table tr:last-child>*{border-bottom:0}
th button:hover{color:var(--ink)}
th button::after,th.number button::before{content:"";display:inline-block;width:1.1em;text-align:center}
th.number button::after{display:none}
th[aria-sort=ascending] button::after,th[aria-sort=ascending] button::before{content:"↑"}
th[aria-sort=descending] button::after,th[aria-sort=descending] button::before{content:"↓"}
th:not(.number) button::before{display:none}
.bar{display:inline-block;width:64px;height:8px;margin-right:12px;vertical-align:baseline}
.share{display:inline-block;min-width:3.9em}
.mistakes{list-style:none;margin:0;padding:0;display:grid;grid-template-columns:repeat(auto-fill,minmax(152px,1fr));gap:12px}
.mistakes.rows{grid-template-columns:repeat(auto-fill,minmax(250px,1fr))}
.mistakes>li{background:var(--surface);border:1px solid var(--line);border-radius:8px;padding:12px;font-size:13px;min-width:0;overflow-wrap:anywhere}
.mistakes img{display:block;width:auto;height:88px;max-width:100%;object-fit:contain;border-radius:3px;margin-bottom:8px;background:var(--grid)}
.mistakes img.small{image-rendering:pixelated}
.mistakes .source{color:var(--muted);font-size:12px;margin-top:4px}
.taken b{font-weight:600}
.taken .wrong{color:var(--mistake)}
dl.pairs{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:3px 20px;margin:0;font-size:14px}
dl.pairs dt{color:var(--muted)}
dl.pairs dd{margin:0;overflow-wrap:anywhere}
.mistakes dl.pairs{font-size:12px;gap:1px 12px;margin-top:6px}
code{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.spaced{margin-top:16px}
footer{color:var(--muted);font-size:13px;padding-top:40px;padding-bottom:40px}
@media screen and (max-width:760px){
main,header,nav,footer{padding-left:16px;padding-right:16px}
header{padding-top:24px}
h1{font-size:24px}
h2{margin-top:36px}
.grid{grid-template-columns:minmax(0,1fr)}
.tiles,.tiles.five{grid-template-columns:repeat(2,1fr)}
.tiles.five>:first-child:nth-last-child(odd){grid-column:span 2}
.tiles>div{padding:10px 14px}
figure,.card{padding-left:12px;padding-right:12px}
.bar{display:none}
.wide{display:none}
.narrow{display:block}
}
@media print{
body{background:none;font-size:12px}
nav,#theme{display:none}
main,header,footer{padding-left:0;padding-right:0}
figure,.mistakes>li,.tiles,tr{break-inside:avoid}
h2{break-after:avoid;margin-top:28px}
.scroll,.scroll.tall{max-height:none;overflow:visible}
table,figure table{font-size:11px}
th,td{padding-right:8px}
thead th{white-space:normal;font-size:11px}
.share{min-width:0}
details:not([open]){display:none}
.wide,.broad .narrow{display:none}
.narrow,.broad .wide{display:block}
.bar{display:none}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
`;

const sequenceCss = Array.from(
  { length: sequenceSteps },
  (_, step) => `.sequence-${step}{color:var(--sequence-${step})}`,
);

/** The page's whole style sheet. */
export const style = [
  paletteCss,
  layoutCss.trim(),
  ".accent{color:var(--accent)}.muted{color:var(--muted)}.mistake{color:var(--mistake)}",
  ...sequenceCss,
].join("\n");
