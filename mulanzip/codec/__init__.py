"""One walk over an image with three uses: encode, decode, measure."""
