/** Operators that `upgrade` writes out as others, with what keeps it from doing so. */
export const unknownForms: Readonly<Record<string, string>> = {
  Attention: "scores as an output, lengths of padded keys",
  "com.microsoft:Attention": "masks as ends and beginnings, shared buffers, rotation inside",
  "com.microsoft:GroupQueryAttention":
    "past keys (its kernel takes them for one row, or one query each, alone), an attention bias, windows, smooth softmax",
  "com.microsoft:CausalConvWithState": "more than one axis",
};
