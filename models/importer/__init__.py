"""Public checkpoints (CLIP, OpenCLIP, SigLIP, DINOv2) to model folders; needs the extra `training`."""
