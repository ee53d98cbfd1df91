"""World Models (V-M-C): a VAE, an MDN-RNN and an evolved linear controller, after Ha & Schmidhuber 2018."""
