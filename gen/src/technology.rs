//! The technology that `--technology` names, one that is embedded or a file, and cell libraries.

use std::error::Error;
use std::path::{Path, PathBuf};

use bitmill_cost_model::liberty::Library;
use bitmill_cost_model::{Fabric, Technology};

/// The embedded technology of that name, or what stands in a file that ends in `.toml`, as `bitmill technology fit` writes it.
///
/// # Errors
/// A name that is none's; a file that cannot be read or is no technology.
pub fn find(name: &str) -> Result<Technology, Box<dyn Error>> {
    if !name.ends_with(".toml") {
        return Ok(Technology::named(name)?);
    }
    let text = std::fs::read_to_string(name).map_err(|error| format!("cannot read {name}: {error}"))?;
    Ok(Technology::from_toml(&text).map_err(|error| format!("{name}: {error}"))?)
}

/// The FPGA family of that name, embedded or in a file that `bitmill technology fit-fpga` wrote; `None` if it is none.
///
/// # Errors
/// A file that cannot be read, or an illegal family in it.
pub fn family(name: &str) -> Result<Option<Fabric>, Box<dyn Error>> {
    if !name.ends_with(".toml") {
        return Ok(Fabric::named(name)?);
    }
    let text = std::fs::read_to_string(name).map_err(|error| format!("cannot read {name}: {error}"))?;
    if !text.lines().any(|line| line == "[mapper]") {
        return Ok(None);
    }
    Ok(Some(Fabric::from_toml(&text).map_err(|error| format!("{name}: {error}"))?))
}

/// The library in some Liberty files, all of one corner.
///
/// # Errors
/// The file that cannot be read or is not Liberty, and what is wrong with it.
pub fn library(paths: &[PathBuf]) -> Result<Library, Box<dyn Error>> {
    let texts = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    for (path, text) in paths.iter().zip(&texts).filter(|_| paths.len() > 1) {
        Library::read([text.as_str()]).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let only = paths.first().filter(|_| paths.len() == 1);
    let within =
        |error: &dyn Error| only.map_or(error.to_string(), |path| format!("{}: {error}", path.display()));
    Ok(Library::read(texts.iter().map(String::as_str)).map_err(|error| within(&error))?)
}

/// A file's text; one that ends in `.gz` is decompressed.
///
/// # Errors
/// What the system says.
pub fn read(path: &Path) -> Result<String, Box<dyn Error>> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let bytes = std::fs::read(path).map_err(failed)?;
    if path.extension().is_none_or(|end| end != "gz") {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut text)
        .map_err(failed)?;
    Ok(text)
}
