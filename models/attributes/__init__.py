"""What one sees on the classes of a collection: found, written down, checked, and edited by people.

Source of the steps: Finedefics (He et al., 2025, arXiv 2501.15140): useful attributes of a super-class, their
values in each picture, one description from the values, and hard negatives.
"""
