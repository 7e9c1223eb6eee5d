"""Agreement of readers, scanners and images: ICC, outlines, ComBat, image quality."""
