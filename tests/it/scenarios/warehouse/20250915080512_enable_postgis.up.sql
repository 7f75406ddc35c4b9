-- Everything spatial stands on this: sites on the map, shelves on a floor plan, boxes in a photo.
-- It goes first and alone. Some hosts let only an administrator install it: then they run this one statement, this
-- migration is stamped, and the application's role does the rest.

CREATE EXTENSION postgis;
