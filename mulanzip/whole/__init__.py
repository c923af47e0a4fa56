"""Files that are kept byte for byte <-> chunks: pieces of any bytes, JPEG as JPEG XL, skeletons around coded images."""
