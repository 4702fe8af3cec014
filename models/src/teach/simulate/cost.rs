//! What correcting labels costs a person, by rule.

/// Smallest error, in voxels, that a person clicks at, or paints over in a slice.
const CLICKED: usize = 10;
const PAINTED: usize = 3;

/// What correcting labels costs by rule: one click for every 6-connected region of wrong voxels of 10 and more, or one
/// stroke for every 4-connected region of 3 and more in every slice. Smaller errors are let pass.
pub fn correction_cost(answer: &[u16], truth: &[u16], dims: [usize; 3]) -> [usize; 2] {
    let wrong: Vec<bool> = answer.iter().zip(truth).map(|(answer, truth)| answer != truth).collect();
    let count = |reaches: usize, least: usize| {
        region_sizes(&wrong, dims, reaches).iter().filter(|n| **n >= least).count()
    };
    [count(3, CLICKED), count(2, PAINTED)]
}

/// Sizes of the connected regions of a mask along its first `axes` axes.
fn region_sizes(mask: &[bool], dims: [usize; 3], axes: usize) -> Vec<usize> {
    let strides = [1, dims[0], dims[0] * dims[1]];
    let mut is_open = mask.to_vec();
    let mut sizes = Vec::new();
    for start in 0..mask.len() {
        if !is_open[start] {
            continue;
        }
        is_open[start] = false;
        let (mut stack, mut size) = (vec![start], 0);
        while let Some(voxel) = stack.pop() {
            size += 1;
            for axis in 0..axes {
                let at = voxel / strides[axis] % dims[axis];
                let before = (at > 0).then(|| voxel - strides[axis]);
                let after = (at + 1 < dims[axis]).then(|| voxel + strides[axis]);
                for next in before.into_iter().chain(after) {
                    if std::mem::take(&mut is_open[next]) {
                        stack.push(next);
                    }
                }
            }
        }
        sizes.push(size);
    }
    sizes
}
