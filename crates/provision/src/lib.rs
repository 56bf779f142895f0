//! The cloud side of an archive as it must be: what is missing (plan), making it so (apply), saying it in the words of those
//! who review infrastructure their own way (emit), and proving it by acting (preflight).
