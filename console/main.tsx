/** Entry of the console: mounts the application into the page. */
import { render } from 'preact';

const root = document.getElementById('app');
if (root !== null) render(<h1>Afterimage</h1>, root);
