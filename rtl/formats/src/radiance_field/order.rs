//! The order in which cubes are walked, so that along every ray what is nearer the camera comes first.

/// Places `0..count` along an axis, outward from `camera`, which may lie outside: from the camera's own upward, then from
/// the one below it downward.
///
/// Three nested loops over it, an axis each, visit the eight octants around the camera, each outward. A ray only
/// ever moves away from where it starts, so on no axis does it come to a place that stands earlier than the one
/// before: the order is front to back along every ray, whichever axis is outermost, and from within the field too.
pub fn outward(count: usize, camera: i64) -> impl Iterator<Item = usize> {
    let own = camera.clamp(0, count as i64) as usize;
    (own..count).chain((0..own).rev())
}
