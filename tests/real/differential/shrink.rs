//! Cuts an input that shows a difference down to a small one that still shows one.

/// Leaves out runs of items, long ones first, as long as `differs` still holds. Calls it at most `budget` times.
pub fn shrink<T: Clone>(items: &[T], budget: usize, mut differs: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut kept = items.to_vec();
    let mut left = budget;
    let mut run = (kept.len() / 2).max(1);
    loop {
        let mut start = 0;
        let mut shorter = false;
        while start < kept.len() {
            if left == 0 {
                return kept;
            }
            left -= 1;
            let end = (start + run).min(kept.len());
            let mut tried = kept[..start].to_vec();
            tried.extend_from_slice(&kept[end..]);
            if differs(&tried) {
                kept = tried;
                shorter = true;
            } else {
                start += run;
            }
        }
        if run > 1 {
            run /= 2;
        } else if !shorter {
            return kept;
        }
    }
}
