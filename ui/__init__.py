"""The page: one gradio Blocks, built by `ui.studio.build_page`. gradio is imported here and in app.py only."""
