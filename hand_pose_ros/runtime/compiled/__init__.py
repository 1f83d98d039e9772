"""The sampler as machine code for CPUs: what `models.lifter.Lifter` computes, for a hand at once.

The U-Net and the IK-MLP are hundreds of small operations, and an engine spends longer on calling
each than on computing it. Here the matrix products are NumPy's and what lies between two of them
is one loop, which Numba compiles at its first call and keeps on disk.
"""
