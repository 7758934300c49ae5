#include "stale.glsl"
#include "fold_map.glsl"

varying vec2 v_at;

void main() {
    vec4 colour = fold_colour(floor(7.0 * v_at.y) - 3.0);
    gl_FragColor = shown(colour.rgb * colour.a);
}
