// Fold to colour; alpha is the colour's share of the overlay's opacity.
uniform sampler2D u_fold_map;       // one texel per fold, -3 ... 3

vec4 fold_colour(float fold) {
    return texture2D(u_fold_map, vec2((clamp(fold, -3.0, 3.0) + 3.5) / 7.0, 0.5));
}
