"""The whole book as one PDF and one EPUB, made of the built pages by pandoc and Typst."""
