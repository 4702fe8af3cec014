//! Contrast-limited adaptive histogram equalisation.

/// How strongly and how locally to equalise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClaheOptions {
    /// Tiles along x and y, 1 to 64.
    pub tiles: [usize; 2],
    /// How many times its even share a grey level may count; 1 changes little, below 1 counts
    /// as 1.
    pub clip_limit: f64,
}

impl Default for ClaheOptions {
    /// Eight tiles each way and a limit of 3.
    fn default() -> Self {
        Self { tiles: [8, 8], clip_limit: 3.0 }
    }
}

/// Equalises a plane of bytes tile by tile, with mappings interpolated between the tiles' centres (Zuiderveld,
/// "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994). Pixels outside `field` neither count
/// nor change.
///
/// # Shapes
/// `plane` and `field`, if given, are `[y, x]` of `size` columns and rows; a plane of another length comes back
/// as it is.
pub fn clahe(plane: &[u8], size: [usize; 2], field: Option<&[bool]>, options: &ClaheOptions) -> Vec<u8> {
    let [width, height] = size;
    let fits = width > 0 && width.checked_mul(height) == Some(plane.len());
    if !fits || field.is_some_and(|f| f.len() != plane.len()) {
        return plane.to_vec();
    }
    let tiles = [0, 1].map(|a| options.tiles[a].clamp(1, 64).min(size[a]));
    let ends = [0, 1].map(|a| (0..=tiles[a]).map(|i| i * size[a] / tiles[a]).collect::<Vec<usize>>());
    let limit = if options.clip_limit.is_finite() { options.clip_limit.max(1.0) } else { f64::MAX };
    let mut maps = Vec::with_capacity(tiles[0] * tiles[1]);
    for ty in 0..tiles[1] {
        for tx in 0..tiles[0] {
            let (columns, rows) = (ends[0][tx]..ends[0][tx + 1], ends[1][ty]..ends[1][ty + 1]);
            let mut histogram = [0u32; 256];
            for y in rows {
                for x in columns.clone() {
                    let index = y * width + x;
                    if field.is_none_or(|f| f[index]) {
                        histogram[usize::from(plane[index])] += 1;
                    }
                }
            }
            maps.push(mapping(&histogram, limit));
        }
    }
    let along = [0, 1].map(|a| neighbours(&ends[a], size[a]));
    let value = |index: usize| {
        let ((x0, x1, sx), (y0, y1, sy)) = (along[0][index % width], along[1][index / width]);
        let grey = usize::from(plane[index]);
        let at = |tx: usize, ty: usize| maps[ty * tiles[0] + tx].as_ref().map(|map| map[grey]);
        let corners = [
            (at(x0, y0), (1.0 - sx) * (1.0 - sy)),
            (at(x1, y0), sx * (1.0 - sy)),
            (at(x0, y1), (1.0 - sx) * sy),
            (at(x1, y1), sx * sy),
        ];
        // Tiles without any pixel of the field have no say.
        let (sum, weight) = corners.iter().fold((0.0, 0.0), |(sum, weight), (value, share)| {
            value.map_or((sum, weight), |value| (sum + share * value, weight + share))
        });
        if weight > 0.0 { (sum / weight).round() as u8 } else { plane[index] }
    };
    (0..plane.len()).map(|i| if field.is_none_or(|f| f[i]) { value(i) } else { plane[i] }).collect()
}

/// Grey levels after equalisation; `None` for a tile without pixels.
fn mapping(histogram: &[u32; 256], clip_limit: f64) -> Option<[f32; 256]> {
    let total: f64 = histogram.iter().map(|n| f64::from(*n)).sum();
    if total == 0.0 {
        return None;
    }
    let most = (clip_limit * total / 256.0).max(1.0);
    let excess: f64 = histogram.iter().map(|n| (f64::from(*n) - most).max(0.0)).sum();
    let mut sum = 0.0;
    Some(std::array::from_fn(|grey| {
        let count = f64::from(histogram[grey]).min(most) + excess / 256.0;
        // The middle of a level's share, so that an even histogram maps every level to itself.
        let middle = sum + count / 2.0;
        sum += count;
        (middle / total * 256.0 - 0.5).clamp(0.0, 255.0) as f32
    }))
}

/// For every pixel along an axis the two tiles whose centres it lies between, and the share of the second.
fn neighbours(ends: &[usize], count: usize) -> Vec<(usize, usize, f32)> {
    let centers: Vec<f32> = ends.windows(2).map(|w| (w[0] + w[1]) as f32 / 2.0 - 0.5).collect();
    (0..count)
        .map(|i| {
            let place = i as f32;
            let after = centers.partition_point(|center| *center <= place);
            match after {
                0 => (0, 0, 0.0),
                n if n == centers.len() => (n - 1, n - 1, 0.0),
                n => (n - 1, n, (place - centers[n - 1]) / (centers[n] - centers[n - 1])),
            }
        })
        .collect()
}
