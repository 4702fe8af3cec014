// Puts a picture of a slice, pixel by pixel, where it belongs on the screen.

struct Place {
    // Framebuffer pixel of the picture's first one.
    corner: vec4<i32>,
}

@group(0) @binding(0) var<uniform> place: Place;
@group(0) @binding(1) var picture: texture_2d<f32>;

@vertex
fn cover(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    let corner = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    return vec4<f32>(corner * 2.0 - 1.0, 0.0, 1.0);
}

@fragment
fn paste(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let last = vec2<i32>(textureDimensions(picture)) - 1;
    let at = vec2<i32>(floor(position.xy)) - place.corner.xy;
    return vec4<f32>(textureLoad(picture, clamp(at, vec2<i32>(0), last), 0).rgb, 1.0);
}
