//! The page of a sweep in a real browser: nothing is complained about, points can be clicked and show what stands behind
//! them, columns sort.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{ROOT, succeeds, text_of};
use serde_json::Value;

/// Notes what the page complains about, before it does anything.
const BEFORE: &str = "<script>const complaints = [];
window.addEventListener('error', (event) => complaints.push(event.message));
console.error = (...words) => complaints.push(words.join(' '));</script></head>";

/// Uses the page as a reader does, and writes down what comes of it.
const AFTER: &str = "<script>{
const all = (what) => [...document.querySelectorAll(what)];
const texts = (id, column) => all(`#${id} tbody tr`).map((row) => row.cells[column].textContent);
const head = (id, name) => all(`#${id} th`).find((cell) => cell.textContent.startsWith(name));
const click = (what) => what.dispatchEvent(new MouseEvent('click', { bubbles: true }));
const sorted = (id, name) => [0, 1].map(() => {
  click(head(id, name));
  return texts(id, head(id, name).cellIndex);
});
const found = { complaints };

const other = document.querySelector('#plot circle.front:not(.chosen)');
click(other);
found.clicked = { wanted: other.querySelector('title').textContent, shown: document.querySelector('#details h3').textContent,
  below: byId('name').textContent, marked: all('#plot circle.chosen').length, figures: all('#details dd').length };
found.layers = { names: texts('layers', 1), cycles: texts('layers', 5), energies: texts('layers', 12) };
found.bands = all('#timeline rect.row0').length;
found.spans = all('#timeline rect.span').length - found.bands;
found.dots = all('#roofline circle').length;
found.computing = data.details[chosen].run.filter(([macs, cycles]) => macs > 0 && cycles > 0).length;
found.parts = all('#breakdown rect.part').length;
found.commands = byId('commands').textContent;
found.tables = ['components', 'energies', 'formats'].map((id) => all(`#${id} tbody tr`).length);
found.bars = all('#plot line.bar').length;

const dot = document.querySelector('#roofline circle');
click(dot);
found.explained = { layer: dot.querySelector('title').textContent, text: byId('explanation').textContent,
  rows: all('#layers tr.chosen').length, bands: all('#timeline rect.row0.marked').length };
byId('zoom').click();
found.zoomed = Number(document.querySelector('#timeline rect.row0.marked').getAttribute('width'));
found.pictures = ['plot', 'timeline', 'roofline', 'breakdown']
  .map((id) => new DOMParser().parseFromString(standalone(id).text, 'image/svg+xml').querySelectorAll('parsererror').length);

found.areas = sorted('points', 'area_mm2');
found.cycles = sorted('layers', 'cycles');
click(document.querySelector('#points tbody tr'));
found.row = { wanted: document.querySelector('#points tbody td').textContent, shown: byId('name').textContent };
byId('all').click();
found.all = texts('points', 0).length;
click(document.querySelector('#plot circle:not(.front)'));
found.beaten = { hidden: byId('behind').hidden, standing: byId('standing').textContent };
byId('filter').value = 'nothing is called so';
byId('filter').dispatchEvent(new Event('input'));
found.none = texts('points', 0).length;
byId('x').value = String(data.columns.indexOf('area_mm2'));
byId('x').dispatchEvent(new Event('change'));
found.circles = all('#plot circle').length;
const probe = document.createElement('pre');
probe.id = 'probe';
probe.textContent = JSON.stringify(found);
document.body.append(probe);
}</script></body>";

/// What the page is after it was used, or `None` after a visible line where there is no browser.
fn used(page: &Path) -> Option<Value> {
    let mut browser = Command::new("chromium");
    browser
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900", "--dump-dom"])
        .arg(page);
    let Ok(output) = browser.output() else {
        assert!(std::env::var_os("BITMILL_REQUIRE_TOOLS").is_none(), "chromium is missing");
        eprintln!("skipped: the page of a sweep in a browser, since chromium is missing");
        return None;
    };
    let document = String::from_utf8_lossy(&output.stdout);
    let probe = document.split("<pre id=\"probe\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let probe = probe.unwrap_or_else(|| panic!("the page ends early:\n{document}"));
    let text =
        probe.replace("&nbsp;", "\u{a0}").replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&");
    Some(serde_json::from_str(&text).expect("JSON"))
}

/// A folder with the sweep `front` of a few points, and its page after it was used.
fn swept() -> (tempfile::TempDir, Option<Value>) {
    let here = tempfile::tempdir().expect("a folder");
    let space = text_of(Path::new(ROOT), "../examples/digits_space.yaml");
    let short: Vec<&str> = space.lines().filter(|line| !line.contains("rows: 16")).collect();
    fs::write(here.path().join("space.yaml"), short.join("\n") + "\n").expect("a file");
    succeeds(here.path(), &["explore", "space.yaml", "-o", "front"]);
    let page = text_of(here.path(), "front/report.html");
    for loads in ["src=", "href=", "url(", "@import", "fetch("] {
        assert!(!page.contains(loads), "the page loads something: {loads}");
    }
    let probed = here.path().join("probed.html");
    let with = page.replacen("</head>", BEFORE, 1).replacen("</body>", AFTER, 1);
    fs::write(&probed, with).expect("a file");
    let found = used(&probed);
    (here, found)
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().expect("texts").iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    strings(value).iter().map(|text| text.replace(',', "").parse().expect("a number")).collect()
}

#[test]
fn points_are_clicked_and_columns_sorted_without_a_complaint() {
    let (here, Some(found)) = swept() else { return };
    assert_eq!(found["complaints"], serde_json::json!([]), "{found}");
    let clicked = &found["clicked"];
    assert_eq!((&clicked["wanted"], &clicked["wanted"]), (&clicked["shown"], &clicked["below"]));
    assert_eq!(clicked["marked"], 1);
    assert!(clicked["figures"].as_u64() > Some(10), "{found}");
    assert_eq!(found["row"]["wanted"], found["row"]["shown"]);
    for column in ["areas", "cycles"] {
        let (rising, mut falling) = (numbers(&found[column][0]), numbers(&found[column][1]));
        assert!(rising.len() > 3 && rising.is_sorted(), "{rising:?}");
        falling.reverse();
        assert_eq!(rising, falling);
    }
    let json: Value = serde_json::from_str(&text_of(here.path(), "front/points.json")).expect("JSON");
    let points = json["points"].as_array().expect("points").len();
    assert_eq!(found["all"], points);
    assert_eq!((&found["none"], &found["circles"]), (&0.into(), &points.into()));
    let beaten = &found["beaten"];
    assert_eq!(beaten["hidden"], true);
    assert!(beaten["standing"].as_str().expect("words").starts_with("Not on the front."), "{beaten}");
}

#[test]
fn a_point_shows_what_simulate_cost_and_explain_say() {
    let (here, Some(found)) = swept() else { return };
    let front = here.path().join("front");
    // The commands of the page work, in the folder of the page.
    let commands = found["commands"].as_str().expect("commands").to_owned();
    let words: Vec<&str> = commands.lines().next().expect("a command").split(' ').skip(1).collect();
    assert_eq!(
        words[..2],
        ["simulate", &format!("points/{}.yaml", found["clicked"]["wanted"].as_str().unwrap_or("?"))]
    );
    let said = succeeds(&front, &[&words[..], &["--json"]].concat());
    let run: Value = serde_json::from_str(&said).expect("JSON");
    let layers = run["layers"].as_array().expect("layers");
    let names: Vec<String> = layers.iter().map(|l| l["name"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(strings(&found["layers"]["names"]), names);
    let cycles: Vec<f64> = layers.iter().filter_map(|layer| layer["cycles"].as_f64()).collect();
    assert_eq!(numbers(&found["layers"]["cycles"]), cycles);
    // The sweep prices the circuit once for all points that have it: they differ by the hash of the configuration.
    for (shown, layer) in numbers(&found["layers"]["energies"]).iter().zip(layers) {
        let energy_nj = layer["energy_nj"].as_f64().expect("an energy");
        assert!((shown / energy_nj - 1.0).abs() < 0.005, "{shown} nJ, not {energy_nj}");
    }
    // As many marks as layers, and every queue at work.
    assert_eq!(found["bands"], layers.len());
    assert_eq!(found["dots"], found["computing"]);
    assert!(
        found["spans"].as_u64() > Some(layers.len() as u64) && found["parts"].as_u64() >= Some(10),
        "{found}"
    );
    assert!(are_positive(&found["tables"]) && found["bars"].as_u64() > Some(0), "{found}");

    let explained = &found["explained"];
    let number =
        explained["layer"].as_str().expect("a title").split(' ').next().expect("a number").to_owned();
    assert_eq!((&explained["rows"], &explained["bands"]), (&1.into(), &1.into()));
    assert_eq!(explained["text"], succeeds(&front, &["explain", words[1], &number]));
    assert!(found["zoomed"].as_f64() > Some(500.0), "most of the picture: {}", found["zoomed"]);
    assert_eq!(found["pictures"], serde_json::json!([0, 0, 0, 0]), "pictures by themselves are well-formed");
}

fn are_positive(counts: &Value) -> bool {
    counts.as_array().expect("counts").iter().all(|count| count.as_u64() > Some(0))
}
