//! The page of a sweep in a real browser: nothing is complained about, points can be clicked, columns sorted.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{ROOT, succeeds, text_of};
use serde_json::Value;

/// Notes what the page complains about, before it does anything.
const BEFORE: &str = "<script>const complaints = [];
window.addEventListener('error', (event) => complaints.push(event.message));
console.error = (...words) => complaints.push(words.join(' '));</script></head>";

/// Clicks a point that is not chosen, and a column twice, and writes down what came of it.
const AFTER: &str = "<script>
const texts = (column) => [...document.querySelectorAll('#body tr')].map((row) => row.cells[column].textContent);
const heads = () => [...document.querySelectorAll('#head th')];
const other = document.querySelector('circle:not(.chosen)');
other.dispatchEvent(new MouseEvent('click', { bubbles: true }));
const clicked = { wanted: other.querySelector('title').textContent, shown: document.querySelector('#details h3').textContent,
  marked: document.querySelectorAll('circle.chosen').length, rows: document.querySelectorAll('#details dd').length };
const column = heads().findIndex((head) => head.textContent === 'area_mm2');
heads()[column].click();
const rising = texts(column);
heads()[column].click();
const falling = texts(column);
document.getElementById('all').click();
const all = texts(0).length;
document.getElementById('filter').value = 'nothing is called so';
document.getElementById('filter').dispatchEvent(new Event('input'));
const none = texts(0).length;
document.getElementById('x').value = String(column);
document.getElementById('x').dispatchEvent(new Event('change'));
const probe = document.createElement('pre');
probe.id = 'probe';
probe.textContent = JSON.stringify({ complaints, clicked, rising, falling, all, none,
  circles: document.querySelectorAll('circle').length });
document.body.append(probe);
</script></body>";

/// What the page is after it was used, or `None` after a visible line where there is no browser.
fn used(page: &Path) -> Option<Value> {
    let mut browser = Command::new("chromium");
    browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]).arg(page);
    let Ok(output) = browser.output() else {
        assert!(std::env::var_os("BITMILL_REQUIRE_TOOLS").is_none(), "chromium is missing");
        eprintln!("skipped: the page of a sweep in a browser, since chromium is missing");
        return None;
    };
    let document = String::from_utf8_lossy(&output.stdout);
    let probe = document.split("<pre id=\"probe\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let probe = probe.unwrap_or_else(|| panic!("the page ends early:\n{document}"));
    Some(
        serde_json::from_str(&probe.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&"))
            .expect("JSON"),
    )
}

#[test]
fn points_are_clicked_and_columns_sorted_without_a_complaint() {
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
    let Some(found) = used(&probed) else { return };
    assert_eq!(found["complaints"], serde_json::json!([]), "{found}");
    assert_eq!(found["clicked"]["wanted"], found["clicked"]["shown"]);
    assert_eq!(found["clicked"]["marked"], 1);
    assert!(found["clicked"]["rows"].as_u64() > Some(10), "{found}");
    let areas = |key: &str| -> Vec<f64> {
        let texts = found[key].as_array().expect("texts").iter();
        texts.map(|text| text.as_str().and_then(|text| text.parse().ok()).expect("a number")).collect()
    };
    let (rising, mut falling) = (areas("rising"), areas("falling"));
    assert!(rising.len() > 3 && rising.is_sorted(), "{rising:?}");
    falling.reverse();
    assert_eq!(rising, falling);
    let json: Value = serde_json::from_str(&text_of(here.path(), "front/points.json")).expect("JSON");
    let points = json["points"].as_array().expect("points").len();
    assert_eq!(found["all"], points);
    assert_eq!((&found["none"], &found["circles"]), (&0.into(), &points.into()));
}
