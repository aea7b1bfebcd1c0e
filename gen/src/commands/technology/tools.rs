//! The programs that measure a design: Yosys and ABC through Python (pyosys), and OpenSTA.

use std::error::Error;
use std::io::Write;
use std::num::NonZeroUsize;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bitmill_cost_model::liberty::{Library, MappedNetlist, Roles};
use serde_json::{Value, json};

use crate::progress;

/// What runs in Python.
pub const SCRIPT: &str = include_str!("synthesise.py");

/// Period of the clock in OpenSTA, longer than any path, in ps.
const PERIOD_PS: f64 = 1e6;

/// Python with pyosys, and OpenSTA.
pub struct Tools {
    python: PathBuf,
    /// The version of pyosys.
    pub pyosys: String,
}

/// A design to be mapped.
pub struct Request<'a> {
    /// The top module.
    pub top: &'a str,
    /// Files of its modules, those with memories apart.
    pub verilog: Vec<PathBuf>,
    /// Files of modules with memories.
    pub black_boxes: Vec<PathBuf>,
    /// The library.
    pub liberty: &'a [PathBuf],
    /// Patterns of cells that are not to be used.
    pub dont_use: &'a [String],
    /// The cell that drives inputs.
    pub driver: &'a str,
    /// The load of outputs in fF.
    pub load_ff: f64,
    /// `area` or `speed`.
    pub goal: &'a str,
}

impl Tools {
    /// Looks for the programs.
    ///
    /// # Errors
    /// What is missing, and how it is installed.
    pub fn find(python: &Path) -> Result<Tools, Box<dyn Error>> {
        let pyosys = pyosys_version(python)?;
        if Command::new("sta").arg("-version").output().is_err() {
            return Err(
                "OpenSTA (`sta`), which finds longest paths, is not installed; on Debian or Ubuntu: \
                        apt-get install opensta"
                    .into(),
            );
        }
        Ok(Tools { python: python.to_owned(), pyosys })
    }

    /// Maps a design and returns the netlist as Yosys's JSON; `None` if that takes longer than `limit`.
    ///
    /// # Errors
    /// What Yosys complains of.
    pub fn synthesise(&self, request: &Request, limit: Duration) -> Result<Option<String>, Box<dyn Error>> {
        let text = json!({
            "top": request.top,
            "verilog": request.verilog,
            "black_boxes": request.black_boxes,
            "liberty": request.liberty,
            "dont_use": request.dont_use,
            "driver": request.driver,
            "load_ff": request.load_ff,
            "goal": request.goal,
        });
        answer(&self.python, SCRIPT, text, limit)
    }

    /// The longest path of a netlist in ns, set-up included, the reset left out; 0 where there is none.
    ///
    /// # Errors
    /// OpenSTA fails.
    pub fn longest_path_ns(
        &self,
        netlist: &MappedNetlist,
        library: &Library,
        liberty: &[PathBuf],
        roles: &Roles,
    ) -> Result<f64, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let (verilog, script) = (folder.path().join("mapped.v"), folder.path().join("sta.tcl"));
        std::fs::write(&verilog, netlist.to_verilog(library))?;
        std::fs::write(&script, commands(netlist, liberty, roles, &verilog))?;
        let ran = Command::new("sta").args(["-exit", "-no_splash"]).arg(&script).output()?;
        let printed = String::from_utf8_lossy(&ran.stdout);
        let slack = printed.lines().find_map(|line| line.trim().strip_prefix("worst slack"));
        let Some(slack) = slack.and_then(|text| text.split_whitespace().last()) else {
            let problems = String::from_utf8_lossy(&ran.stderr);
            return Err(format!("OpenSTA printed no slack: {printed}{problems}").into());
        };
        // Of a path that a black box ends, OpenSTA knows nothing.
        Ok(slack
            .parse::<f64>()
            .map_or(0.0, |slack| if slack.is_finite() { (PERIOD_PS - slack) * 1e-3 } else { 0.0 }))
    }
}

/// The version of pyosys that a Python has.
///
/// # Errors
/// It has none, and how it is installed.
pub fn pyosys_version(python: &Path) -> Result<String, Box<dyn Error>> {
    let ask = "import importlib.metadata as m, pyosys.libyosys; print(m.version('pyosys'))";
    let asked = Command::new(python).args(["-c", ask]).output();
    let asked = asked.map_err(|error| format!("cannot run {}: {error}", python.display()))?;
    if !asked.status.success() {
        return Err(format!(
            "{} lacks pyosys, which maps designs to cells: python3 -m venv venv && venv/bin/pip install pyosys, \
             and give --python venv/bin/python",
            python.display()
        )
        .into());
    }
    let pyosys = String::from_utf8_lossy(&asked.stdout);
    Ok(pyosys.lines().last().unwrap_or_default().trim().to_owned())
}

/// Gives a request to a script in Python and returns the file that it writes to the request's `result`; `None` if that takes longer than
/// `limit`.
///
/// # Errors
/// The last line of what Python complains of.
pub fn answer(
    python: &Path,
    script: &str,
    mut request: Value,
    limit: Duration,
) -> Result<Option<String>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (file, result) = (folder.path().join("script.py"), folder.path().join("result.json"));
    let (log, problems) = (folder.path().join("log"), folder.path().join("problems"));
    std::fs::write(&file, script)?;
    request["result"] = json!(result);
    let mut child = Command::new(python)
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(std::fs::File::create(&log)?)
        .stderr(std::fs::File::create(&problems)?)
        .process_group(0)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(request.to_string().as_bytes())?;
    }
    if !finished(&mut child, limit)? {
        return Ok(None);
    }
    if !child.wait()?.success() {
        let problems = std::fs::read_to_string(&problems)?;
        let last = problems.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
        return Err(format!("Yosys failed on {}: {last}", request["top"]).into());
    }
    Ok(Some(std::fs::read_to_string(&result)?))
}

/// OpenSTA's commands.
fn commands(netlist: &MappedNetlist, liberty: &[PathBuf], roles: &Roles, verilog: &Path) -> String {
    let mut text: String = liberty.iter().map(|path| format!("read_liberty {}\n", path.display())).collect();
    let [clock, reset] = netlist.clock_and_reset();
    let port = clock.map_or_else(String::new, |net| format!(" [get_ports n{net}]"));
    text += &format!(
        "set_cmd_units -time ps -capacitance fF\nread_verilog {}\nlink_design mapped\n\
         create_clock -name clock -period {PERIOD_PS}{port}\nset_output_delay 0 -clock clock [all_outputs]\n\
         set_load {} [all_outputs]\n",
        verilog.display(),
        roles.load_ff
    );
    let data: Vec<String> = netlist.data_inputs().iter().map(|net| format!("n{net}")).collect();
    if !data.is_empty() {
        let listed = data.join(" ");
        text += &format!(
            "set_input_delay 0 -clock clock [get_ports {{{listed}}}]\n\
             set_driving_cell -lib_cell {} [get_ports {{{listed}}}]\n",
            roles.buffer
        );
    }
    if let Some(reset) = reset {
        text += &format!("set_false_path -from [get_ports n{reset}]\n");
    }
    text + "report_worst_slack\nexit\n"
}

/// Waits for a process; one that takes longer than `limit` is killed with all that it started.
fn finished(child: &mut Child, limit: Duration) -> std::io::Result<bool> {
    let started = Instant::now();
    while child.try_wait()?.is_none() {
        if started.elapsed() > limit {
            // ABC is a process of its own in the same group.
            Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status()?;
            child.wait()?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(true)
}

/// A design by its name, and what is known of it unless that takes too long, or what went wrong.
type Outcome<'n, T> = (&'n str, Result<Option<T>, String>);

/// What is known of designs, by name, and the names of those that took too long.
type Found<T> = (Vec<T>, Vec<String>);

/// Measures designs, several at once; `one` says nothing of a design that takes too long.
///
/// # Errors
/// The first that `one` has, with the design's name.
pub fn side_by_side<T: Send>(
    names: &[String],
    jobs: Option<NonZeroUsize>,
    one: impl Fn(&str) -> Result<Option<T>, Box<dyn Error>> + Sync,
) -> Result<Found<T>, Box<dyn Error>> {
    let jobs = jobs.or(std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let bar = progress::bar("designs", names.len() as u64);
    let next = AtomicUsize::new(0);
    let outcomes: Mutex<Vec<Outcome<T>>> = Mutex::new(Vec::new());
    let work = || {
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = one(name).map_err(|error| error.to_string());
            bar.inc(1);
            if outcome.is_err() {
                next.store(names.len(), Ordering::Relaxed);
            }
            outcomes.lock().map(|mut outcomes| outcomes.push((name.as_str(), outcome))).unwrap_or_default();
        }
    };
    std::thread::scope(|scope| (0..jobs).for_each(|_| drop(scope.spawn(work))));
    bar.finish_and_clear();
    let (mut found, mut slow) = (Vec::new(), Vec::new());
    for (name, outcome) in outcomes.into_inner().map_err(|_| "a worker panicked")? {
        match outcome.map_err(|error| format!("{name}: {error}"))? {
            Some(measured) => found.push(measured),
            None => slow.push(name.to_owned()),
        }
    }
    Ok((found, slow))
}
