"""The small multimodal model: pictures as a few tokens before SmolLM2, and how it is trained to rank."""
