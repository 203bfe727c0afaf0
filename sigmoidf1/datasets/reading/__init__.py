"""What several datasets share: files, tables, images, label names, and what is wrong with them."""
