"""What the measuring of the detector gives: a part of docs/quality.md, its plots and a contact sheet."""
