"""Detectors around transformers' modules: bytes and tokens in, boxes, vectors and masks out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.importer.detectors.pixels import Pixels
from models.network import unit


class _Normalised(nn.Module):
    """Bytes to what the first layer reads."""

    scale: Tensor
    shift: Tensor

    def __init__(self, pixels: Pixels) -> None:
        super().__init__()
        mean, std = torch.tensor(pixels.channels.mean), torch.tensor(pixels.channels.std)
        self.register_buffer("scale", pixels.rescale / std, persistent=False)
        self.register_buffer("shift", mean / std, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, 3, side, side) of bytes (n, side, side, 3)."""
        return (images.to(torch.float32) * self.scale - self.shift).permute(0, 3, 1, 2)


class JointTextBoxes(nn.Module):
    """GroundingDINO (Liu et al., arXiv 2303.05499): one text of all prompts is read with the picture.

    Args:
        model: transformers' `GroundingDinoForObjectDetection`.
        pixels: What is done to pixels.
    """

    def __init__(self, model: nn.Module, pixels: Pixels) -> None:
        super().__init__()
        self.model = model
        self.normalised = _Normalised(pixels)

    def forward(self, images: Tensor, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Return boxes (n, query, 4) and logits (n, query, token), -inf at padding.

        Args:
            images: Squares, (n, side, side, 3) bytes.
            input_ids: (n, token), always as many as the model reads at most.
            attention_mask: (n, token).
        """
        found: Any = self.model(
            pixel_values=self.normalised(images), input_ids=input_ids, attention_mask=attention_mask
        )
        return corners(found.pred_boxes), found.logits


class SeparateTextBoxes(nn.Module):
    """OWLv2 (Minderer et al., arXiv 2306.09683): places in a picture, each with a vector to hold texts to.

    What transformers computes as `(cosine + shift) * scale` is given as vector and offset, so that a text's
    logit is its unit vector times the vector, plus the offset, and new texts need no new look.

    Args:
        model: transformers' `Owlv2ForObjectDetection`.
        pixels: What is done to pixels.
    """

    box_bias: Tensor

    def __init__(self, model: Any, pixels: Pixels) -> None:
        super().__init__()
        self.encoder = model.owlv2.vision_model
        self.layer_norm = model.layer_norm
        self.class_head = model.class_head
        self.box_head = model.box_head
        self.objectness_head = model.objectness_head
        self.register_buffer("box_bias", model.box_bias.clone(), persistent=False)
        self.normalised = _Normalised(pixels)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return vectors (n, place, dim), offsets (n, place), boxes (n, place, 4), objectness (n, place)."""
        seen = self.encoder.post_layernorm(self.encoder(pixel_values=self.normalised(images))[0])
        places = self.layer_norm(seen[:, 1:] * seen[:, :1])  # (n, place, channel)
        head = self.class_head
        looks = head.dense0(places)
        looks = looks / (torch.linalg.norm(looks, dim=-1, keepdim=True) + 1e-6)
        scale = head.elu(head.logit_scale(places)) + 1
        boxes = (self.box_head(places) + self.box_bias).sigmoid()
        offsets = (head.logit_shift(places) * scale)[..., 0]
        return looks * scale, offsets, corners(boxes), self.objectness_head(places)[..., 0]


class QueryTexts(nn.Module):
    """OWLv2's reader of texts.

    Args:
        model: transformers' `Owlv2ForObjectDetection`.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder = model.owlv2.text_model
        self.projection = model.owlv2.text_projection

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Return unit vectors (n, dim) of tokens (n, token)."""
        read = self.encoder(input_ids=input_ids, attention_mask=attention_mask).pooler_output
        return (unit(self.projection(read)),)


class PaddedMaps(nn.Module):
    """SAM's (Kirillov et al., arXiv 2304.02643) view of a picture that does not fill its square.

    Args:
        model: transformers' `SamModel`.
        pixels: What is done to pixels.
    """

    def __init__(self, model: Any, pixels: Pixels) -> None:
        super().__init__()
        self.encoder = model.vision_encoder
        self.normalised = _Normalised(pixels)
        self.side_px = pixels.side_px

    def forward(self, images: Tensor, sizes: Tensor) -> tuple[Tensor, ...]:
        """Return maps (n, channel, row, column).

        Args:
            images: Squares, (n, side, side, 3) bytes.
            sizes: Rows and columns of the square, from the upper left, that the picture fills, (n, 2).
        """
        place = torch.arange(self.side_px)
        inside = (place < sizes[:, :1])[:, :, None] & (place < sizes[:, 1:])[:, None, :]  # (n, row, column)
        pixels = self.normalised(images) * inside[:, None].to(torch.float32)
        return (self.encoder(pixels).last_hidden_state,)


class StretchedMaps(nn.Module):
    """SAM 2's (Ravi et al., arXiv 2408.00714) view of a picture alone, without memory of others.

    Args:
        model: transformers' `Sam2Model`.
        pixels: What is done to pixels.
    """

    def __init__(self, model: Any, pixels: Pixels) -> None:
        super().__init__()
        self.encoder = model.vision_encoder
        self.fine, self.finer = model.mask_decoder.conv_s1, model.mask_decoder.conv_s0
        self.alone = nn.Parameter(model.no_memory_embedding.detach().clone(), requires_grad=False)
        self.normalised = _Normalised(pixels)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return maps (n, channel, row, column), coarse, fine and finer."""
        finer, fine, coarse = self.encoder(self.normalised(images)).fpn_hidden_states
        return coarse + self.alone.reshape(1, -1, 1, 1), self.fine(fine), self.finer(finer)


class BoxMasks(nn.Module):
    """SAM's and SAM 2's decoder: one mask of each box, and how good it is thought to be.

    Args:
        model: transformers' `SamModel` or `Sam2Model`.
    """

    positions: Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.prompts = model.prompt_encoder
        self.decoder = model.mask_decoder
        with torch.no_grad():
            positions = model.get_image_wide_positional_embeddings()
        self.register_buffer("positions", positions.clone(), persistent=False)

    def forward(
        self, boxes: Tensor, coarse: Tensor, fine: Tensor | None = None, finer: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return logits of masks (n, box, row, column) and their expected overlap with the truth (n, box).

        Args:
            boxes: Left, top, right, bottom in pixels of the square, (n, box, 4).
            coarse: The map of the picture, (n, channel, row, column).
            fine: A finer map, of SAM 2.
            finer: The finest, of SAM 2.
        """
        n, each = boxes.shape[:2]

        def repeated(seen: Tensor) -> Tensor:
            return seen[:, None].expand(-1, each, -1, -1, -1).flatten(0, 1)

        # Each box is read by itself: the decoder's own way of repeating maps cannot be exported.
        sparse, dense = self.prompts(
            input_points=None, input_labels=None, input_boxes=boxes.reshape(n * each, 1, 4), input_masks=None
        )
        more = {}
        if fine is not None and finer is not None:
            more["high_resolution_features"] = [repeated(finer), repeated(fine)]
        masks, overlaps = self.decoder(
            image_embeddings=repeated(coarse),
            image_positional_embeddings=self.positions.expand(n * each, -1, -1, -1),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
            **more,
        )[:2]
        return masks[:, 0, 0].reshape(n, each, *masks.shape[-2:]), overlaps[:, 0, 0].reshape(n, each)


def corners(boxes: Tensor) -> Tensor:
    """Return left, top, right, bottom of middles and sizes."""
    middle, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat((middle - size / 2, middle + size / 2), dim=-1)
