"""``mimamo demo``, and the generated faces it is made of (`mimamo.demo.synth`)."""
