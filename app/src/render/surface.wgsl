// Surfaces of labels, lit from the viewer's shoulder; and the picture of the 3-D view laid over the window.

struct Camera {
    clip_from_world: mat4x4<f32>,
    // Unit vector towards the lamp, in the world.
    lamp: vec4<f32>,
    // Unit vector into the screen.
    into: vec4<f32>,
}

struct Label {
    // Red, green, blue, opacity.
    color: vec4<f32>,
}

@group(0) @binding(0) var<uniform> camera: Camera;
@group(0) @binding(1) var<uniform> label: Label;

struct Seen {
    @builtin(position) position: vec4<f32>,
    @location(0) normal: vec3<f32>,
}

@vertex
fn place(@location(0) world: vec3<f32>, @location(1) normal: vec3<f32>) -> Seen {
    var seen: Seen;
    seen.position = camera.clip_from_world * vec4<f32>(world, 1.0);
    seen.normal = normal;
    return seen;
}

@fragment
fn light(seen: Seen) -> @location(0) vec4<f32> {
    var normal = normalize(seen.normal);
    if (dot(normal, camera.into.xyz) > 0.0) {
        normal = -normal;
    }
    let diffuse = max(dot(normal, camera.lamp.xyz), 0.0);
    let half_way = normalize(camera.lamp.xyz - camera.into.xyz);
    let gloss = pow(max(dot(normal, half_way), 0.0), 24.0) * 0.22;
    let color = label.color.rgb * (0.26 + 0.74 * diffuse) + vec3<f32>(gloss);
    return vec4<f32>(color, label.color.a);
}
