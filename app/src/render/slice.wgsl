// One slice of a volume with its label map and the proposal of a network.
//
// The name VOLUME_SCALAR is replaced by i32, u32 or f32 before compilation: integer textures cannot be
// filtered, so interpolation is done here for every type alike. The arithmetic mirrors that of `hilum_canvas::slice`.

struct View {
    // Voxel coordinate at the corner of the first pixel of the framebuffer, and displacement per pixel.
    origin: vec4<f32>,
    right: vec4<f32>,
    down: vec4<f32>,
    // Voxels along x, y, z; flags, see `look.rs`.
    dims: vec4<u32>,
    // Window low, 1 / width, fill opacity, outline opacity.
    look: vec4<f32>,
    // First voxel of the proposal, and size of its texture (zero: none).
    preview_start: vec4<i32>,
    preview_size: vec4<i32>,
    preview_color: vec4<f32>,
    background: vec4<f32>,
}

const LINEAR: u32 = 1u;
const COLOR: u32 = 2u;
const LABELS: u32 = 4u;
const SRGB_TARGET: u32 = 8u;

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var volume: texture_3d<VOLUME_SCALAR>;
@group(0) @binding(2) var labels: texture_3d<u32>;
@group(0) @binding(3) var label_colors: texture_2d<f32>;
@group(0) @binding(4) var preview: texture_3d<u32>;

@vertex
fn cover(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    let corner = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    return vec4<f32>(corner * 2.0 - 1.0, 0.0, 1.0);
}

fn has(flag: u32) -> bool {
    return (view.dims.w & flag) != 0u;
}

fn voxel_at(pixel: vec2<f32>) -> vec3<f32> {
    return view.origin.xyz + view.right.xyz * pixel.x + view.down.xyz * pixel.y;
}

fn inside(p: vec3<f32>) -> bool {
    let size = vec3<f32>(view.dims.xyz);
    return all(p >= vec3<f32>(-0.5)) && all(p < size - 0.5);
}

fn load(at: vec3<i32>) -> vec3<f32> {
    let last = vec3<i32>(view.dims.xyz) - 1;
    let texel = textureLoad(volume, clamp(at, vec3<i32>(0), last), 0);
    return vec3<f32>(f32(texel.x), f32(texel.y), f32(texel.z));
}

fn sample_linear(p: vec3<f32>) -> vec3<f32> {
    let q = clamp(p, vec3<f32>(0.0), vec3<f32>(view.dims.xyz) - 1.0);
    let low = vec3<i32>(floor(q));
    let t = q - floor(q);
    let a = mix(load(low), load(low + vec3<i32>(1, 0, 0)), t.x);
    let b = mix(load(low + vec3<i32>(0, 1, 0)), load(low + vec3<i32>(1, 1, 0)), t.x);
    let near = mix(a, b, t.y);
    if (t.z < 1e-5) {
        return near;
    }
    let c = mix(load(low + vec3<i32>(0, 0, 1)), load(low + vec3<i32>(1, 0, 1)), t.x);
    let d = mix(load(low + vec3<i32>(0, 1, 1)), load(low + vec3<i32>(1, 1, 1)), t.x);
    return mix(near, mix(c, d, t.y), t.z);
}

fn image_color(p: vec3<f32>) -> vec3<f32> {
    var value: vec3<f32>;
    if (has(LINEAR)) {
        value = sample_linear(p);
    } else {
        value = load(vec3<i32>(floor(p + 0.5)));
    }
    let shade = clamp((value - view.look.x) * view.look.y, vec3<f32>(0.0), vec3<f32>(1.0));
    if (has(COLOR)) {
        return shade;
    }
    return shade.xxx;
}

fn label_at(pixel: vec2<f32>) -> u32 {
    let p = voxel_at(pixel);
    if (!inside(p)) {
        return 0u;
    }
    return textureLoad(labels, vec3<i32>(floor(p + 0.5)), 0).x;
}

fn preview_at(pixel: vec2<f32>) -> bool {
    let at = vec3<i32>(floor(voxel_at(pixel) + 0.5)) - view.preview_start.xyz;
    if (any(at < vec3<i32>(0)) || any(at >= view.preview_size.xyz)) {
        return false;
    }
    return textureLoad(preview, at, 0).x != 0u;
}

fn with_labels(base: vec3<f32>, pixel: vec2<f32>) -> vec3<f32> {
    let label = label_at(pixel);
    if (label == 0u) {
        return base;
    }
    let reach = 1.25;
    let edge = label_at(pixel + vec2<f32>(reach, 0.0)) != label
        || label_at(pixel - vec2<f32>(reach, 0.0)) != label
        || label_at(pixel + vec2<f32>(0.0, reach)) != label
        || label_at(pixel - vec2<f32>(0.0, reach)) != label;
    let color = textureLoad(label_colors, vec2<i32>(i32(label & 255u), i32(label >> 8u)), 0);
    // A label's own opacity is that of its inside; 0 hides it.
    let outline = select(0.0, view.look.w, color.a > 0.0);
    return mix(base, color.rgb, select(color.a * view.look.z, outline, edge));
}

fn with_preview(base: vec3<f32>, pixel: vec2<f32>) -> vec3<f32> {
    if (view.preview_size.x == 0 || !preview_at(pixel)) {
        return base;
    }
    let reach = 1.75;
    let edge = !preview_at(pixel + vec2<f32>(reach, 0.0)) || !preview_at(pixel - vec2<f32>(reach, 0.0))
        || !preview_at(pixel + vec2<f32>(0.0, reach)) || !preview_at(pixel - vec2<f32>(0.0, reach));
    let along = (pixel.x + pixel.y) / 12.0;
    let dash = along - floor(along);
    let hatch = select(0.10, 0.38, dash < 0.22);
    return mix(base, view.preview_color.rgb, select(hatch, select(0.25, 1.0, dash < 0.62), edge));
}

fn linear_from_srgb(c: vec3<f32>) -> vec3<f32> {
    let high = pow((c + 0.055) / 1.055, vec3<f32>(2.4));
    return select(high, c / 12.92, c <= vec3<f32>(0.04045));
}

@fragment
fn shade(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let pixel = position.xy;
    let p = voxel_at(pixel);
    var color = view.background.rgb;
    if (inside(p)) {
        color = image_color(p);
        if (has(LABELS)) {
            color = with_labels(color, pixel);
        }
        color = with_preview(color, pixel);
    }
    if (has(SRGB_TARGET)) {
        color = linear_from_srgb(color);
    }
    return vec4<f32>(color, 1.0);
}
