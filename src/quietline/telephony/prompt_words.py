"""What is said, in the languages Quietline speaks of its own accord; `prompts.py` makes sound of it.

A flow in another language brings all its words itself: `quietline flow check` names each that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping

from quietline.telephony.ports import Prompt

# Voices of espeak-ng, by language (ISO 639-1). A language without an entry is spoken by the voice of its own name.
VOICES: Mapping[str, str] = {"en": "en-gb", "fr": "fr-fr", "pt": "pt", "zh": "cmn", "no": "nb"}

OWN_NAMES: Mapping[str, str] = {
    "en": "English", "fr": "le français", "de": "Deutsch", "es": "español", "cy": "Cymraeg", "it": "italiano",
    "nl": "Nederlands", "pl": "polski", "pt": "português", "ar": "العربية",
}  # fmt: skip

ENGLISH: Mapping[str, str] = {
    Prompt.NOTICE: (
        "Thank you for calling. Your number helps us find your order. "
        "Our colleague sees neither it nor your address unless helping you needs it, and every look is written down. "
        "This call is not recorded. The full privacy notice is on our website."
    ),
    Prompt.HOLD: "Thank you. Please hold. We are connecting you to a colleague.",
    Prompt.CODE: (
        "To protect you, we have just sent you a code. Please key in its six digits now. "
        "Our colleague cannot hear the keys."
    ),
    Prompt.CODE_OK: "Thank you. The code is right.",
    Prompt.CODE_WRONG: "Sorry. That code is not right.",
    Prompt.SORRY: "We are sorry. Nobody can take your call at the moment. Please try again later. Goodbye.",
    Prompt.CLOSED: "Thank you for calling. We are closed at the moment. Goodbye.",
    Prompt.INVALID: "Sorry, that key is not one of the choices.",
    Prompt.CALLBACK_OFFER: (
        "You may hang up and keep your place. We will call you back on the number that you are calling from. "
        "To be called back, press 1. Otherwise, press 2."
    ),
    Prompt.CALLBACK_KEPT: "Thank you. You keep your place, and we will call you back. Goodbye.",
    # Names neither the shop nor the matter: a stranger or a machine may have picked up.
    Prompt.CALLBACK: "Hello. This is the call back that was asked for. Press 1 to be connected. Press 1 now.",
}

FRENCH: Mapping[str, str] = {
    Prompt.NOTICE: (
        "Merci de votre appel. Votre numéro nous aide à retrouver votre commande. "
        "Notre collègue ne voit ni ce numéro ni votre adresse, sauf pour vous aider, et chaque consultation est "
        "consignée. Cet appel n'est pas enregistré. Notre politique de confidentialité est sur notre site."
    ),
    Prompt.HOLD: "Merci. Veuillez patienter. Nous vous mettons en relation avec un collègue.",
    Prompt.CODE: (
        "Pour vous protéger, nous venons de vous envoyer un code. Veuillez saisir ses six chiffres maintenant. "
        "Notre collègue n'entend pas les touches."
    ),
    Prompt.CODE_OK: "Merci. Le code est bon.",
    Prompt.CODE_WRONG: "Désolé. Ce code n'est pas bon.",
    Prompt.SORRY: (
        "Nous sommes désolés. Personne ne peut prendre votre appel pour le moment. "
        "Veuillez réessayer plus tard. Au revoir."
    ),
    Prompt.CLOSED: "Merci de votre appel. Nous sommes fermés pour le moment. Au revoir.",
    Prompt.INVALID: "Désolé, cette touche n'est pas dans la liste.",
    Prompt.CALLBACK_OFFER: (
        "Vous pouvez raccrocher et garder votre place. Nous vous rappellerons au numéro dont vous appelez. "
        "Pour être rappelé, tapez 1. Sinon, tapez 2."
    ),
    Prompt.CALLBACK_KEPT: "Merci. Vous gardez votre place, et nous vous rappellerons. Au revoir.",
    Prompt.CALLBACK: "Bonjour. Voici le rappel qui a été demandé. Pour être mis en relation, tapez 1.",
}

GERMAN: Mapping[str, str] = {
    Prompt.NOTICE: (
        "Danke für Ihren Anruf. Ihre Nummer hilft uns, Ihre Bestellung zu finden. "
        "Unsere Kollegin oder unser Kollege sieht weder sie noch Ihre Adresse, es sei denn, die Hilfe erfordert es, "
        "und jeder Einblick wird festgehalten. Dieser Anruf wird nicht aufgezeichnet. "
        "Die vollständige Datenschutzerklärung finden Sie auf unserer Website."
    ),
    Prompt.HOLD: "Danke. Bitte warten Sie. Wir verbinden Sie.",
    Prompt.CODE: (
        "Zu Ihrem Schutz haben wir Ihnen gerade einen Code geschickt. Bitte geben Sie jetzt die sechs Ziffern ein. "
        "Am anderen Ende hört niemand die Tasten."
    ),
    Prompt.CODE_OK: "Danke. Der Code ist richtig.",
    Prompt.CODE_WRONG: "Leider ist der Code nicht richtig.",
    Prompt.SORRY: (
        "Es tut uns leid. Im Moment kann niemand Ihren Anruf annehmen. "
        "Bitte versuchen Sie es später noch einmal. Auf Wiederhören."
    ),
    Prompt.CLOSED: "Danke für Ihren Anruf. Wir haben zurzeit geschlossen. Auf Wiederhören.",
    Prompt.INVALID: "Diese Taste steht leider nicht zur Wahl.",
    Prompt.CALLBACK_OFFER: (
        "Sie können auflegen und Ihren Platz behalten. Wir rufen Sie unter der Nummer zurück, von der Sie anrufen. "
        "Für einen Rückruf drücken Sie die 1. Sonst drücken Sie die 2."
    ),
    Prompt.CALLBACK_KEPT: "Danke. Sie behalten Ihren Platz, und wir rufen Sie zurück. Auf Wiederhören.",
    Prompt.CALLBACK: "Guten Tag. Hier ist der gewünschte Rückruf. Um verbunden zu werden, drücken Sie die 1.",
}

SPANISH: Mapping[str, str] = {
    Prompt.NOTICE: (
        "Gracias por llamar. Su número nos ayuda a encontrar su pedido. "
        "Nuestro compañero no ve ni el número ni su dirección, salvo que haga falta para ayudarle, y cada consulta "
        "queda anotada. Esta llamada no se graba. El aviso de privacidad completo está en nuestra página web."
    ),
    Prompt.HOLD: "Gracias. Espere, por favor. Le ponemos con un compañero.",
    Prompt.CODE: (
        "Para protegerle, le acabamos de enviar un código. Marque ahora sus seis cifras, por favor. "
        "Nuestro compañero no oye las teclas."
    ),
    Prompt.CODE_OK: "Gracias. El código es correcto.",
    Prompt.CODE_WRONG: "Lo sentimos. Ese código no es correcto.",
    Prompt.SORRY: (
        "Lo sentimos. En este momento nadie puede atender su llamada. Inténtelo más tarde, por favor. Adiós."
    ),
    Prompt.CLOSED: "Gracias por llamar. Ahora estamos cerrados. Adiós.",
    Prompt.INVALID: "Lo sentimos, esa tecla no está entre las opciones.",
    Prompt.CALLBACK_OFFER: (
        "Puede colgar y conservar su turno. Le llamaremos al número desde el que llama. "
        "Para que le llamemos, pulse 1. Si no, pulse 2."
    ),
    Prompt.CALLBACK_KEPT: "Gracias. Conserva su turno y le llamaremos. Adiós.",
    Prompt.CALLBACK: "Hola. Esta es la llamada que se nos pidió. Para que le pongamos con un compañero, pulse 1.",
}

CHOICES: Mapping[str, str] = {  # a menu's sentence for one key
    "en": "For {label}, press {key}.",
    "fr": "Pour {label}, tapez {key}.",
    "de": "Für {label} drücken Sie die {key}.",
    "es": "Para {label}, pulse {key}.",
}
SIGNS: Mapping[str, Mapping[str, str]] = {  # how the keys that are no digits are called
    "en": {"*": "star", "#": "hash"},
    "fr": {"*": "étoile", "#": "dièse"},
    "de": {"*": "Sterntaste", "#": "Rautetaste"},
    "es": {"*": "asterisco", "#": "almohadilla"},
}
PLACES: Mapping[str, tuple[str, str]] = {  # the next one; number n
    "en": ("You are next.", "You are number {n}."),
    "fr": ("Vous êtes le prochain appel.", "Vous êtes numéro {n}."),
    "de": ("Sie sind als Nächstes an der Reihe.", "Sie sind auf Platz {n}."),
    "es": ("Su llamada es la siguiente.", "Usted es el número {n}."),
}
WAITS: Mapping[str, tuple[str, str, str]] = {  # about a minute; about n minutes; more than n
    "en": ("The wait is about one minute.", "The wait is about {n} minutes.", "The wait is more than {n} minutes."),
    "fr": (
        "L'attente est d'environ une minute.",
        "L'attente est d'environ {n} minutes.",
        "L'attente est de plus de {n} minutes.",
    ),
    "de": (
        "Die Wartezeit beträgt etwa eine Minute.",
        "Die Wartezeit beträgt etwa {n} Minuten.",
        "Die Wartezeit beträgt mehr als {n} Minuten.",
    ),
    "es": (
        "La espera es de un minuto, más o menos.",
        "La espera es de unos {n} minutos.",
        "La espera es de más de {n} minutos.",
    ),
}
MINUTES = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30)  # what is said; a wait is rounded up to one of them
LAST_PLACE = 30  # places beyond it are not told


def voice(language: str) -> str:
    """The voice of espeak-ng for a language."""
    return VOICES.get(language, language)


def choice(language: str, label: str, key: str) -> str | None:
    """ "For your order, press 1."; None in a language without a sentence of ours."""
    if language not in CHOICES:
        return None
    return CHOICES[language].format(label=label, key=SIGNS[language].get(key, key))


def minutes(seconds: float) -> int:
    """How many minutes are said for a wait, one of `MINUTES`; 0 for more than the last."""
    return next((each for each in MINUTES if seconds <= each * 60), 0)


def place_words(language: str, place: int) -> str:
    """ "You are number 3."; "" beyond place 30, and in a language without words of ours."""
    first, later = PLACES.get(language, ("", ""))
    return "" if not 1 <= place <= LAST_PLACE else first if place == 1 else later.format(n=place)


def wait_words(language: str, seconds: float) -> str:
    """ "The wait is about 4 minutes.", rounded up; "" in a language without words of ours."""
    one, several, more = WAITS.get(language, ("", "", ""))
    said = minutes(seconds)
    return one if said == 1 else several.format(n=said) if said else more.format(n=MINUTES[-1])
