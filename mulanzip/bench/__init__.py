"""Lossless codecs side by side on the same images: size, speed, memory, and whether the pixels come back.

Every codec runs in a process of its own, one image at a time, so that no codec is charged for the memory of another.
Times are wall times of a single run, from pixels in memory to bytes in memory and back, without loading models and
libraries.  Peak memory is the largest resident set of the process while it encodes and decodes the image.  It contains
interpreter, libraries, model and image, but no memory of a GPU.  Outside Linux, where the peak cannot be reset, it is
the peak since the process started.
"""
