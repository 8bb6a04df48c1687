"""Generated faces whose valence and arousal are known: a photograph, warped, and drawn ones."""
