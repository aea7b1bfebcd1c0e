//! Names beside marks, where they hide neither marks nor each other as far as there is room.

/// Width of a letter and height of a line, in pixels.
const LETTER_PX: f64 = 6.7;
const HEIGHT_PX: f64 = 12.0;
/// Between mark and name.
const GAP_PX: f64 = 4.0;

/// A part of the picture, in pixels; y grows downwards.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Rectangle {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Rectangle {
    /// Area that both cover.
    fn overlap(&self, other: &Rectangle) -> f64 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        width.max(0.0) * height.max(0.0)
    }

    fn area(&self) -> f64 {
        (self.right - self.left) * (self.bottom - self.top)
    }
}

/// A name, from `x` on, on the line `y`.
pub(super) struct Label<'a> {
    pub x: f64,
    pub y: f64,
    pub text: &'a str,
}

/// A name for each mark, given by its centre and radius, within `field`: each at the first place around its mark that is
/// free, or where it hides least.
pub(super) fn placed<'a>(
    marks: &[((f64, f64), f64)],
    names: &'a [String],
    field: &Rectangle,
) -> Vec<Label<'a>> {
    let around =
        |&((x, y), r): &((f64, f64), f64)| Rectangle { left: x - r, right: x + r, top: y - r, bottom: y + r };
    let mut taken: Vec<Rectangle> = marks.iter().map(around).collect();
    let mut labels = Vec::new();
    for (&(centre, radius), name) in marks.iter().zip(names) {
        let hidden = |place: &Rectangle| {
            let outside = place.area() - place.overlap(field);
            outside + taken.iter().map(|other| place.overlap(other)).sum::<f64>()
        };
        let places = places(centre, radius, LETTER_PX * name.chars().count() as f64);
        let mut best = places[0];
        for place in &places[1..] {
            if hidden(place) < hidden(&best) {
                best = *place;
            }
        }
        taken.push(best);
        labels.push(Label { x: best.left, y: best.bottom - 2.5, text: name });
    }
    labels
}

/// Places around a mark, the most wanted first: beside, above and below it, then further off.
fn places((x, y): (f64, f64), radius: f64, width: f64) -> Vec<Rectangle> {
    let at = |left: f64, middle: f64| Rectangle {
        left,
        right: left + width,
        top: middle - HEIGHT_PX / 2.0,
        bottom: middle + HEIGHT_PX / 2.0,
    };
    let (right, left, centre) = (x + radius + GAP_PX, x - radius - GAP_PX - width, x - width / 2.0);
    let step = radius + HEIGHT_PX / 2.0 + 1.0;
    let mut places = vec![at(right, y), at(left, y), at(centre, y - step), at(centre, y + step)];
    for shift in [0.6, 1.1, 1.7, 2.3] {
        for side in [right, left] {
            places.extend([at(side, y - shift * step), at(side, y + shift * step)]);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_clear_of_marks_and_of_each_other() {
        let field = Rectangle { left: 0.0, right: 400.0, top: 0.0, bottom: 300.0 };
        let marks =
            [((390.0, 50.0), 6.0), ((200.0, 100.0), 6.0), ((215.0, 100.0), 6.0), ((200.0, 112.0), 6.0)];
        let names = ["int8", "fp8_e4m3", "posit8_0", "bitmod_fp4_g32"].map(str::to_owned);
        let labels = placed(&marks, &names, &field);
        let boxes: Vec<Rectangle> = labels
            .iter()
            .map(|label| Rectangle {
                left: label.x,
                right: label.x + LETTER_PX * label.text.len() as f64,
                top: label.y + 2.5 - HEIGHT_PX,
                bottom: label.y + 2.5,
            })
            .collect();
        assert!(boxes.iter().all(|one| one.left >= field.left && one.right <= field.right), "{boxes:?}");
        for (index, one) in boxes.iter().enumerate() {
            assert!(boxes[..index].iter().all(|other| one.overlap(other) == 0.0), "{boxes:?}");
        }
    }
}
