"""Building blocks: mathematics that several architectures share, each a plain function or a small module.

Letters in shapes, the same everywhere in `nn`, `models` and `decode`:

    B  rows of a batch                 T  tokens of this call           S  tokens attended to: those of the state and these
    D  width of the model              H  query heads                   K  key and value heads (H is a multiple of K)
    E  width of one head               F  hidden width of the MLP       V  vocabulary
    N  rows without order (B*T)
"""
