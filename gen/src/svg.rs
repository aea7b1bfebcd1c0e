//! What the program's pictures have in common: colours, text, and light and dark ground.

/// Colours that most people can tell apart on either ground (Okabe and Ito, "Color Universal Design", 2008), with grey in
/// place of black.
pub const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c"];

/// The beginning of a picture of so many pixels, with its style.
pub fn opened(width: f64, height: f64, style: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\">\n<style>\n{style}</style>\n"
    )
}

/// `text` as it stands between tags.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
