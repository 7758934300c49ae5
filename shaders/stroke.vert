// Thin lines, as triangles with a soft rim: outlines, rulers, the cursor.
attribute vec2 a_position;          // logical pixels from the viewport's top left corner
attribute float a_distance;         // from the middle of the line, logical pixels
attribute float a_half_width;
attribute vec4 a_colour;

uniform vec2 u_viewport_px;         // logical pixels

varying float v_distance;
varying float v_half_width;
varying vec4 v_colour;

void main() {
    v_distance = a_distance;
    v_half_width = a_half_width;
    v_colour = a_colour;
    gl_Position = vec4(a_position / u_viewport_px * vec2(2.0, -2.0) + vec2(-1.0, 1.0), 0.0, 1.0);
}
