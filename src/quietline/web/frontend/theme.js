// Runs before the page is drawn, so that a chosen theme does not flash. The choice is all that is ever stored here.
import { applyTheme, chosenTheme } from "./themes.js";

applyTheme(chosenTheme());
