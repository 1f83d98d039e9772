"""The sampler as machine code for CPUs: what `models.lifter.Lifter` computes, for a hand at once.

The U-Net and the IK-MLP are hundreds of small operations, and an engine spends longer on calling
each than on computing it. Here the matrix products are those of SciPy's BLAS, and all between them
is loops that Numba compiles at their first call and keeps on disk.
"""
