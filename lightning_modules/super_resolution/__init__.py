"""Images enlarged four times by a generative network that is fitted on training images."""
