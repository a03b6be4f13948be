"""The words of pages, of the gateway and of the trend picture: phrases, and the catalogues that render them."""
