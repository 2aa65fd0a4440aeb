"""How good the pictures are: identity, pose and prompt in figures, measured on people whom no training has seen"""
