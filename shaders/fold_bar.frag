#include "stale.glsl"
#include "fold_map.glsl"

varying float v_height;

void main() {
    vec4 colour = fold_colour(floor(7.0 * v_height) - 3.0);
    gl_FragColor = shown(colour.rgb * colour.a);
}
