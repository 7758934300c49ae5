uniform float u_pixel_scale;        // physical per logical pixel

varying float v_distance;
varying float v_half_width;
varying vec4 v_colour;

void main() {
    float cover = clamp((v_half_width - abs(v_distance)) * u_pixel_scale + 0.5, 0.0, 1.0);
    gl_FragColor = vec4(v_colour.rgb, v_colour.a * cover);
}
