/** Where the API is found when nobody says otherwise. */

/** The API listens on loopback at this port by default. */
export const API_PORT_DEFAULT = 9470;
export const API_URL_DEFAULT = `http://127.0.0.1:${API_PORT_DEFAULT}`;

/** The replica's data folder when none is named, below the current folder. */
export const DATA_FOLDER_DEFAULT = 'afterimage-data';

/** File in the data folder with the API's bearer token, 0600. */
export const TOKEN_FILE = 'token';
/** File in the data folder with the URL at which the API listens, while it does. */
export const URL_FILE = 'url';
