"""The drawn world of the miniature: people, shots of them, drawings with exact keypoints, and captions."""
