// B-mode under every panel.
#include "bmode.glsl"
#include "stale.glsl"

void main() {
    gl_FragColor = shown(vec3(grey_here()));
}
