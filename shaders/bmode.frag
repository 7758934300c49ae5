// B-mode under every panel.
#include "bmode.glsl"
#include "stale.glsl"

varying vec2 v_position_m;

void main() {
    gl_FragColor = shown(vec3(grey_at(v_position_m)));
}
