"""Critical samples: is there another prediction within a small box around the image?"""
