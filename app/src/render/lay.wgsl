// Lays a picture over the viewport.

struct Lay {
    // 1 where the target converts from linear light on its own.
    is_srgb: vec4<u32>,
}

@group(0) @binding(0) var<uniform> lay: Lay;
@group(0) @binding(1) var picture: texture_2d<f32>;
@group(0) @binding(2) var smooth_sampler: sampler;

struct Corner {
    @builtin(position) position: vec4<f32>,
    @location(0) at: vec2<f32>,
}

@vertex
fn cover(@builtin(vertex_index) index: u32) -> Corner {
    let corner = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    return Corner(vec4<f32>(corner * 2.0 - 1.0, 0.0, 1.0), vec2<f32>(corner.x, 1.0 - corner.y));
}

fn linear_from_srgb(c: vec3<f32>) -> vec3<f32> {
    let high = pow((c + 0.055) / 1.055, vec3<f32>(2.4));
    return select(high, c / 12.92, c <= vec3<f32>(0.04045));
}

@fragment
fn show(corner: Corner) -> @location(0) vec4<f32> {
    var color = textureSampleLevel(picture, smooth_sampler, corner.at, 0.0).rgb;
    if (lay.is_srgb.x != 0u) {
        color = linear_from_srgb(color);
    }
    return vec4<f32>(color, 1.0);
}
