//! What nets did, from a waveform: VCD or FST, through the crate wellen.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::panic;
use std::path::Path;

use bitmill_cost_model::liberty::Activity;
use wellen::{SignalRef, simple};

/// What the nets of a circuit did.
pub struct Waves {
    /// Transitions a ns, and the share of the time at 1.
    pub activity: Activity,
    /// From the first change to the last.
    pub duration_ns: f64,
    /// Whether a net is in the waveform.
    pub is_known: Vec<bool>,
}

/// Reads what the `nets` of a circuit with these `names` do in the scope `scope` of a waveform, such as `testbench.dut`; in the
/// outermost if there is none. Values that are neither 0 nor 1 count as no transitions.
///
/// # Errors
/// A file that is no waveform, that has no such scope, no timescale or no time in it.
pub fn read(
    path: &Path,
    scope: Option<&str>,
    names: &BTreeMap<String, Vec<usize>>,
    nets: usize,
) -> Result<Waves, Box<dyn Error>> {
    let wrong = |problem: String| format!("{}: {problem}", path.display());
    let file = File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut waves = guarded(|| simple::read_from_reader(BufReader::new(file)))
        .map_err(&wrong)?
        .map_err(|error| wrong(error.to_string().replace('\n', " ")))?;
    let signals = signals(&waves, scope).map_err(&wrong)?;
    let scale = waves.hierarchy().timescale().ok_or_else(|| wrong("it has no timescale".to_owned()))?;
    let exponent = scale.unit.to_exponent().ok_or_else(|| wrong("its timescale is unknown".to_owned()))?;
    let tick_ns = f64::from(scale.factor) * 10f64.powi(i32::from(exponent) + 9);
    let wanted: Vec<(SignalRef, &Vec<usize>)> =
        names.iter().filter_map(|(name, bits)| Some((*signals.get(name)?, bits))).collect();
    let chosen: Vec<SignalRef> = wanted.iter().map(|(signal, _)| *signal).collect();
    guarded(|| waves.load_signals(&chosen)).map_err(&wrong)?;
    let times = waves.time_table();
    let (Some(first), Some(last)) = (times.first(), times.last()) else {
        return Err(wrong("nothing happens in it".to_owned()).into());
    };
    let ticks = last - first;
    if ticks == 0 {
        return Err(wrong("no time passes in it".to_owned()).into());
    }
    let (mut toggles, mut ones, mut is_known) = (vec![0u64; nets], vec![0u64; nets], vec![false; nets]);
    (is_known[0], is_known[1], ones[1]) = (true, true, ticks);
    for (signal, bits) in wanted {
        let Some(signal) = waves.get_signal(signal) else { continue };
        let places: Vec<(usize, usize)> =
            bits.iter().copied().enumerate().filter(|(_, net)| *net < nets && !is_known[*net]).collect();
        places.iter().for_each(|(_, net)| is_known[*net] = true);
        let (mut before, mut since) = (String::new(), *first);
        let mut change = |now: String, at: u64| {
            // The first character is the highest bit.
            let bit = |text: &str, place: usize| text.bytes().rev().nth(place);
            for &(place, net) in &places {
                let (old, new) = (bit(&before, place), bit(&now, place));
                let known = |bit: Option<u8>| matches!(bit, Some(b'0' | b'1'));
                toggles[net] += u64::from(known(old) && known(new) && old != new);
                ones[net] += if old == Some(b'1') { at - since } else { 0 };
            }
            (before, since) = (now, at);
        };
        for (index, value) in signal.iter_changes() {
            change(value.to_bit_string().unwrap_or_default(), times[index as usize]);
        }
        change(String::new(), *last);
    }
    let duration_ns = ticks as f64 * tick_ns;
    let activity = Activity {
        toggles: toggles.into_iter().map(|count| count as f64 / duration_ns).collect(),
        ones: ones.into_iter().map(|count| count as f64 / ticks as f64).collect(),
    };
    Ok(Waves { activity, duration_ns, is_known })
}

/// The signals of a scope by their name in it, scopes below it in front of a dot.
fn signals(waves: &simple::Waveform, scope: Option<&str>) -> Result<BTreeMap<String, SignalRef>, String> {
    let hierarchy = waves.hierarchy();
    let all =
        hierarchy.all_vars().map(|var| (hierarchy[var].full_name(hierarchy), hierarchy[var].signal_ref()));
    let mut scopes: Vec<String> =
        hierarchy.all_scopes().map(|scope| hierarchy[scope].full_name(hierarchy)).collect();
    scopes.sort_unstable();
    let outermost = scopes.first().map(String::as_str);
    let prefix = scope.or(outermost).map_or_else(String::new, |scope| format!("{scope}."));
    let found: BTreeMap<String, SignalRef> =
        all.filter_map(|(name, signal)| Some((name.strip_prefix(&prefix)?.to_owned(), signal))).collect();
    if found.is_empty() {
        scopes.truncate(20);
        return Err(format!(
            "it has no signals below `{}`; its scopes are {}",
            prefix.trim_end_matches('.'),
            scopes.join(", ")
        ));
    }
    Ok(found)
}

/// What `read` returns. The reader panics where a waveform is damaged; that is an error like others.
fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(panic::AssertUnwindSafe(read));
    panic::set_hook(hook);
    outcome.map_err(|_| "it is damaged".to_owned())
}
