// The image as a volume: rays through the texture that the slices are drawn from.
//
// VOLUME_SCALAR is replaced by i32, u32 or f32 before compilation, as in `slice.wgsl`. The arithmetic is
// that of `hilum_canvas::rays`, and the opacity of fog that of `ray.rs`.

struct View {
    // Voxel coordinate at the corner of the first pixel, displacement per pixel, and per mm into the screen.
    origin: vec4<f32>,
    right: vec4<f32>,
    down: vec4<f32>,
    into: vec4<f32>,
    // Voxels along x, y, z; flags, see `scene.rs`.
    dims: vec4<u32>,
    // Window low, 1 / width, mm of a step, finest spacing in mm.
    look: vec4<f32>,
}

const LINEAR: u32 = 1u;
const COLOR: u32 = 2u;
const MIP: u32 = 4u;
const MAX_STEPS: i32 = 4096;

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var volume: texture_3d<VOLUME_SCALAR>;

@vertex
fn cover(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    let corner = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    return vec4<f32>(corner * 2.0 - 1.0, 0.0, 1.0);
}

fn has(flag: u32) -> bool {
    return (view.dims.w & flag) != 0u;
}

// How bright a voxel is in the window, 0 to 1.
fn share_of(at: vec3<i32>) -> f32 {
    let last = vec3<i32>(view.dims.xyz) - 1;
    let texel = textureLoad(volume, clamp(at, vec3<i32>(0), last), 0);
    var value = f32(texel.x);
    if (has(COLOR)) {
        value = (f32(texel.x) + f32(texel.y) + f32(texel.z)) / 3.0;
    }
    return clamp((value - view.look.x) * view.look.y, 0.0, 1.0);
}

fn share_at(p: vec3<f32>) -> f32 {
    if (!has(LINEAR)) {
        return share_of(vec3<i32>(floor(p + 0.5)));
    }
    let q = clamp(p, vec3<f32>(0.0), vec3<f32>(view.dims.xyz) - 1.0);
    let low = vec3<i32>(floor(q));
    let t = q - floor(q);
    let a = mix(share_of(low), share_of(low + vec3<i32>(1, 0, 0)), t.x);
    let b = mix(share_of(low + vec3<i32>(0, 1, 0)), share_of(low + vec3<i32>(1, 1, 0)), t.x);
    let c = mix(share_of(low + vec3<i32>(0, 0, 1)), share_of(low + vec3<i32>(1, 0, 1)), t.x);
    let d = mix(share_of(low + vec3<i32>(0, 1, 1)), share_of(low + vec3<i32>(1, 1, 1)), t.x);
    return mix(mix(a, b, t.y), mix(c, d, t.y), t.z);
}

// Light on a voxel: brighter where the image grows towards the viewer's side.
fn light_at(p: vec3<f32>) -> f32 {
    let at = vec3<i32>(floor(p + 0.5));
    let slope = vec3<f32>(
        share_of(at + vec3<i32>(1, 0, 0)) - share_of(at - vec3<i32>(1, 0, 0)),
        share_of(at + vec3<i32>(0, 1, 0)) - share_of(at - vec3<i32>(0, 1, 0)),
        share_of(at + vec3<i32>(0, 0, 1)) - share_of(at - vec3<i32>(0, 0, 1)),
    );
    let steepness = length(slope);
    if (steepness < 0.02) {
        return 0.8;
    }
    return 0.35 + 0.65 * abs(dot(slope / steepness, normalize(view.into.xyz)));
}

@fragment
fn march(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let origin = view.origin.xyz + view.right.xyz * position.x + view.down.xyz * position.y;
    let direction = view.into.xyz;
    // Where the ray enters and leaves the image, in mm. A direction along a face is nudged off it.
    let tiny = vec3<f32>(1e-7);
    let slant = select(direction, tiny, abs(direction) < tiny);
    let one = (vec3<f32>(-0.5) - origin) / slant;
    let two = (vec3<f32>(view.dims.xyz) - 0.5 - origin) / slant;
    let near = min(one, two);
    let far = max(one, two);
    let start = max(max(near.x, near.y), near.z);
    let end = min(min(far.x, far.y), far.z);
    if (start >= end) {
        return vec4<f32>(0.0, 0.0, 0.0, 1.0);
    }
    let step_mm = view.look.z;
    let count = min(i32(ceil((end - start) / step_mm)), MAX_STEPS);
    var best = 0.0;
    var color = vec3<f32>(0.0);
    var light = 1.0;
    for (var i = 0; i < count; i++) {
        let p = origin + direction * (start + (f32(i) + 0.5) * step_mm);
        let share = share_at(p);
        if (has(MIP)) {
            best = max(best, share);
            if (best >= 1.0) {
                break;
            }
        } else if (share > 0.01) {
            let alpha = 1.0 - exp(-0.6 * share * share * step_mm / view.look.w);
            var shade = 1.0;
            if (alpha * light > 0.01) {
                shade = light_at(p);
            }
            let own = mix(vec3<f32>(0.62, 0.30, 0.20), vec3<f32>(1.0, 0.96, 0.88), share);
            color += light * alpha * shade * own;
            light *= 1.0 - alpha;
            if (light < 0.03) {
                break;
            }
        }
    }
    if (has(MIP)) {
        return vec4<f32>(vec3<f32>(best), 1.0);
    }
    return vec4<f32>(color, 1.0);
}
