"""What a hand is: skeleton, rotations, kinematics, fitting, mesh, camera."""
